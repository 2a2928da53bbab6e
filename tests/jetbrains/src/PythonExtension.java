import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.jdom.Element;
import org.jetbrains.jps.model.JpsDummyElement;
import org.jetbrains.jps.model.JpsElementFactory;
import org.jetbrains.jps.model.JpsSimpleElement;
import org.jetbrains.jps.model.ex.JpsElementTypeBase;
import org.jetbrains.jps.model.library.sdk.JpsSdkType;
import org.jetbrains.jps.model.module.JpsModuleType;
import org.jetbrains.jps.model.runConfiguration.JpsRunConfigurationType;
import org.jetbrains.jps.model.serialization.JpsModelSerializerExtension;
import org.jetbrains.jps.model.serialization.library.JpsSdkPropertiesSerializer;
import org.jetbrains.jps.model.serialization.module.JpsModulePropertiesSerializer;
import org.jetbrains.jps.model.serialization.runConfigurations.JpsRunConfigurationPropertiesSerializer;

/** Teaches the loader what PyCharm's Python plugin adds to it: the module type, the SDK type, two run types. */
public final class PythonExtension extends JpsModelSerializerExtension {
  static final ModuleType MODULE = new ModuleType();
  static final SdkType SDK = new SdkType();

  @Override
  public List<? extends JpsModulePropertiesSerializer<?>> getModulePropertiesSerializers() {
    return Collections.singletonList(new ModuleSerializer());
  }

  @Override
  public List<? extends JpsSdkPropertiesSerializer<?>> getSdkPropertiesSerializers() {
    return Collections.singletonList(new SdkSerializer());
  }

  @Override
  public List<? extends JpsRunConfigurationPropertiesSerializer<?>> getRunConfigurationPropertiesSerializers() {
    return Arrays.asList(new RunSerializer("PythonConfigurationType"), new RunSerializer("tests"));
  }

  private static final class ModuleType extends JpsElementTypeBase<JpsDummyElement>
      implements JpsModuleType<JpsDummyElement> {}

  private static final class SdkType extends JpsSdkType<JpsDummyElement> {}

  private static final class RunType extends JpsElementTypeBase<JpsSimpleElement<Element>>
      implements JpsRunConfigurationType<JpsSimpleElement<Element>> {}

  private static final class ModuleSerializer extends JpsModulePropertiesSerializer<JpsDummyElement> {
    ModuleSerializer() {
      super(MODULE, "PYTHON_MODULE", null);
    }

    @Override
    public JpsDummyElement loadProperties(Element component) {
      return JpsElementFactory.getInstance().createDummyElement();
    }

    @Override
    public void saveProperties(JpsDummyElement properties, Element component) {}
  }

  private static final class SdkSerializer extends JpsSdkPropertiesSerializer<JpsDummyElement> {
    SdkSerializer() {
      super("Python SDK", SDK);
    }

    @Override
    public JpsDummyElement loadProperties(Element properties) {
      return JpsElementFactory.getInstance().createDummyElement();
    }

    @Override
    public void saveProperties(JpsDummyElement properties, Element element) {}
  }

  /** Keeps the whole element, so that the tests can look at every field that the loader handed over. */
  private static final class RunSerializer extends JpsRunConfigurationPropertiesSerializer<JpsSimpleElement<Element>> {
    RunSerializer(String typeId) {
      super(new RunType(), typeId);
    }

    @Override
    public JpsSimpleElement<Element> loadProperties(Element configuration) {
      return JpsElementFactory.getInstance().createSimpleElement(configuration.clone());
    }

    @Override
    public void saveProperties(JpsSimpleElement<Element> properties, Element configuration) {}
  }
}
