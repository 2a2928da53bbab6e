import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import org.jdom.Attribute;
import org.jdom.Element;
import org.jetbrains.jps.model.JpsElement;
import org.jetbrains.jps.model.JpsElementFactory;
import org.jetbrains.jps.model.JpsModel;
import org.jetbrains.jps.model.JpsProject;
import org.jetbrains.jps.model.JpsSimpleElement;
import org.jetbrains.jps.model.java.JavaSourceRootType;
import org.jetbrains.jps.model.module.JpsDependencyElement;
import org.jetbrains.jps.model.module.JpsModule;
import org.jetbrains.jps.model.module.JpsModuleSourceDependency;
import org.jetbrains.jps.model.module.JpsModuleSourceRoot;
import org.jetbrains.jps.model.module.JpsSdkDependency;
import org.jetbrains.jps.model.runConfiguration.JpsRunConfiguration;
import org.jetbrains.jps.model.serialization.JpsProjectLoader;

/**
 * Loads each project folder named on standard input (one a line) with JetBrains' own loader and prints what it
 * understood, one JSON object a line. A folder that cannot be loaded gives {"folder": …, "error": …}.
 */
public final class LoadProjects {
  public static void main(String[] arguments) throws Exception {
    PrintStream out = new PrintStream(System.out, true, "UTF-8");
    BufferedReader folders = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String folder = folders.readLine(); folder != null; folder = folders.readLine()) {
      Json json = new Json().object().field("folder", folder);
      try {
        describe(json, load(folder));
      } catch (Exception | Error problem) {
        json.field("error", problem.toString());
      }
      out.println(json.end());
    }
  }

  private static JpsProject load(String folder) throws Exception {
    JpsModel model = JpsElementFactory.getInstance().createModel();
    JpsProjectLoader.loadProject(model.getProject(), Collections.emptyMap(), folder);
    return model.getProject();
  }

  private static void describe(Json json, JpsProject project) {
    json.key("modules").array();
    for (JpsModule module : project.getModules()) {
      json.object().field("name", module.getName());
      json.field("type", module.getModuleType() == PythonExtension.MODULE ? "PYTHON_MODULE" : "unknown");
      json.key("content_roots").array();
      module.getContentRootsList().getUrls().forEach(json::value);
      json.end().key("excluded").array();
      module.getExcludeRootsList().getUrls().forEach(json::value);
      json.end().key("source_roots").array();
      for (JpsModuleSourceRoot root : module.getSourceRoots()) {
        boolean test = root.getRootType() == JavaSourceRootType.TEST_SOURCE;
        json.object().field("url", root.getUrl()).field("test", test).end();
      }
      json.end().key("dependencies").array();
      for (JpsDependencyElement dependency : module.getDependenciesList().getDependencies()) {
        describe(json, dependency);
      }
      json.end().end();
    }
    json.end().key("run_configurations").array();
    for (JpsRunConfiguration configuration : project.getRunConfigurations()) {
      json.object().field("name", configuration.getName()).key("element");
      JpsElement properties = configuration.getProperties();
      Object element = properties instanceof JpsSimpleElement ? ((JpsSimpleElement<?>) properties).getData() : null;
      if (element instanceof Element) {
        describe(json, (Element) element);
      } else {
        json.nothing();
      }
      json.end();
    }
    json.end();
  }

  private static void describe(Json json, JpsDependencyElement dependency) {
    json.object();
    if (dependency instanceof JpsSdkDependency) {
      JpsSdkDependency sdk = (JpsSdkDependency) dependency;
      json.field("kind", sdk.isInherited() ? "inherited sdk" : "sdk");
      json.field("python", sdk.getSdkType() == PythonExtension.SDK);
      if (sdk.getSdkReference() != null) {
        json.field("name", sdk.getSdkReference().getSdkName());
      }
    } else {
      json.field("kind", dependency instanceof JpsModuleSourceDependency ? "own source" : "other");
    }
    json.end();
  }

  /** An XML element, macros expanded, as {"tag", "attributes", "children"}. */
  private static void describe(Json json, Element element) {
    json.object().field("tag", element.getName()).key("attributes").object();
    for (Attribute attribute : element.getAttributes()) {
      json.field(attribute.getName(), attribute.getValue());
    }
    json.end().key("children").array();
    for (Element child : element.getChildren()) {
      describe(json, child);
    }
    json.end().end();
  }
}
