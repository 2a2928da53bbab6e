#!/bin/sh
# Brings JetBrains' own project loader, against which the generated .idea folders are tested, and builds the small
# harness around it in .cache/jetbrains. Run again it does nothing when all is there.
#
# Exit code 0: the loader is ready; 3: it cannot be had on this machine (the last line says why).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${1:-$here/../../.cache/jetbrains}
java=/usr/share/java
packages="libintellij-jps-model-java libintellij-platform-impl-java"
jars="intellij-model-api intellij-model-impl intellij-model-serialization intellij-util intellij-util-rt
  libtrove-intellij jdom2-intellij org.jetbrains.annotations-java8 guava log4j-1.2 jna jaxen"

cannot() {
  echo "JetBrains' project loader is not available: $1" >&2
  exit 3
}

missing() {
  for jar in $jars; do
    [ -e "$java/$jar.jar" ] || return 0
  done
  ! command -v javac >/dev/null
}

if missing; then
  command -v apt-get >/dev/null || cannot "it comes as Debian packages, and this is no Debian."
  command -v javac >/dev/null || packages="$packages default-jdk-headless"
  [ "$(id -u)" = 0 ] || cannot "as root, run: apt-get install --no-install-recommends $packages"
  echo "Installing JetBrains' project loader: $packages" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q update >&2 || echo "apt-get update failed; going on with the package lists that are here." >&2
  # shellcheck disable=SC2086  # one word for each package is meant
  apt-get -q -y install --no-install-recommends $packages >&2 || cannot "apt-get install failed (see above)."
  missing && cannot "the packages are installed, but some of these jars are not in $java: $jars"
fi

classpath=
for jar in $jars; do
  classpath=$classpath:$java/$jar.jar
done

# Built anew when a source is newer than the build. Built beside and renamed: two test runs may meet here.
stamp=$cache/classes/built
if [ -e "$stamp" ] && [ -z "$(find "$here" -newer "$stamp" -type f -name '*.java' -o -newer "$stamp" -name install.sh)" ]; then
  exit 0
fi
mkdir -p "$cache"
build=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$build"' EXIT
javac -nowarn -Xlint:none -encoding UTF-8 -cp "$classpath" -d "$build" "$here"/src/*.java

# Debian's jars lack the files by which the loader finds its own parts.
services=$build/META-INF/services
mkdir -p "$services"
while read -r service implementation; do
  echo "$implementation" >"$services/$service"
done <<'END'
org.jetbrains.jps.service.JpsServiceManager org.jetbrains.jps.service.impl.JpsServiceManagerImpl
org.jetbrains.jps.service.SharedThreadPool ThreadPool
org.jetbrains.jps.model.JpsElementFactory org.jetbrains.jps.model.impl.JpsElementFactoryImpl
org.jetbrains.jps.model.ex.JpsExElementFactory org.jetbrains.jps.model.impl.JpsExElementFactoryImpl
org.jetbrains.jps.model.JpsEncodingConfigurationService org.jetbrains.jps.model.impl.JpsEncodingConfigurationServiceImpl
org.jetbrains.jps.model.artifact.JpsArtifactService org.jetbrains.jps.model.artifact.impl.JpsArtifactServiceImpl
org.jetbrains.jps.model.artifact.elements.JpsPackagingElementFactory org.jetbrains.jps.model.artifact.impl.elements.JpsPackagingElementFactoryImpl
org.jetbrains.jps.model.fileTypes.FileNameMatcherFactory org.jetbrains.jps.model.fileTypes.impl.FileNameMatcherFactoryImpl
org.jetbrains.jps.model.jarRepository.JpsRemoteRepositoryService org.jetbrains.jps.model.jarRepository.impl.JpsRemoteRepositoryServiceImpl
org.jetbrains.jps.model.java.JpsJavaExtensionService org.jetbrains.jps.model.java.impl.JpsJavaExtensionServiceImpl
org.jetbrains.jps.model.serialization.JpsSerializationManager org.jetbrains.jps.model.serialization.impl.JpsSerializationManagerImpl
org.jetbrains.jps.model.serialization.JpsModelSerializerExtension PythonExtension
END
echo "org.jetbrains.jps.model.serialization.java.JpsJavaModelSerializerExtension" \
  >>"$services/org.jetbrains.jps.model.serialization.JpsModelSerializerExtension"
echo "$classpath" >"$build/classpath"
touch "$build/built"
rm -rf "$cache/classes"
mv "$build" "$cache/classes" 2>/dev/null || [ -e "$stamp" ] || cannot "the build could not be moved to $cache/classes."
