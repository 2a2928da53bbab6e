import java.util.ArrayDeque;
import java.util.Deque;

/** Writes JSON in one pass. JetBrains' jars bring no JSON library, and this is all that is needed of one. */
final class Json {
  private final StringBuilder text = new StringBuilder();
  private final Deque<Character> open = new ArrayDeque<>();
  private boolean first = true;

  Json object() {
    return begin('{', '}');
  }

  Json array() {
    return begin('[', ']');
  }

  /** Closes the innermost object or array. */
  Json end() {
    text.append(open.pop());
    first = false;
    return this;
  }

  Json key(String name) {
    separate();
    quote(name);
    text.append(':');
    first = true;
    return this;
  }

  Json field(String name, String value) {
    return key(name).value(value);
  }

  Json field(String name, boolean value) {
    key(name).separate();
    text.append(value);
    return this;
  }

  Json value(String value) {
    separate();
    quote(value);
    return this;
  }

  Json nothing() {
    separate();
    text.append("null");
    return this;
  }

  @Override
  public String toString() {
    return text.toString();
  }

  private Json begin(char opening, char closing) {
    separate();
    text.append(opening);
    open.push(closing);
    first = true;
    return this;
  }

  private void separate() {
    if (!first) {
      text.append(',');
    }
    first = false;
  }

  private void quote(String value) {
    text.append('"');
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      if (c == '"' || c == '\\') {
        text.append('\\').append(c);
      } else if (c < ' ') {
        text.append(String.format("\\u%04x", (int) c));
      } else {
        text.append(c);
      }
    }
    text.append('"');
  }
}
