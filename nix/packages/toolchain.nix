# The real programs, built from harness/toolchain/go.mod by the installer of the harness itself: as anybody builds them, and so that they
# follow the clock and the host names of a run.
{ pkgs, packages, ... }:
let
  inherit (packages) source;
  node = pkgs.nodejs_24;
  # What go.sum says, fetched once; `file://` of it is then the proxy.
  modules = pkgs.stdenvNoCC.mkDerivation {
    pname = "holdfast-go-modules";
    version = builtins.substring 0 8 (builtins.hashFile "sha256" ../../harness/toolchain/go.sum);
    src = ../../harness/toolchain;
    nativeBuildInputs = [ pkgs.go pkgs.cacert pkgs.gitMinimal ];
    impureEnvVars = [ "http_proxy" "https_proxy" "no_proxy" "HTTP_PROXY" "HTTPS_PROXY" "NO_PROXY" "GOPROXY" "GONOSUMDB" "GOFLAGS" ];
    buildPhase = ''
      export HOME=$NIX_BUILD_TOP GOMODCACHE=$NIX_BUILD_TOP/modules GOCACHE=$NIX_BUILD_TOP/cache
      go mod download
    '';
    # Lists of versions and locks differ from one fetch to the next.
    installPhase = ''
      mkdir -p $out
      cp -R $NIX_BUILD_TOP/modules/cache/download/. $out
      rm -rf $out/sumdb
      find $out \( -name list -o -name '*.lock' -o -name '*.info' \) -delete
    '';
    dontFixup = true;
    outputHashMode = "recursive";
    outputHashAlgo = "sha256";
    outputHash = (builtins.fromJSON (builtins.readFile ./go-modules.json)).hash;
  };
in
pkgs.stdenvNoCC.mkDerivation {
  pname = "holdfast-toolchain";
  version = builtins.substring 0 8 (builtins.hashFile "sha256" ../../harness/toolchain/go.sum);
  dontUnpack = true;
  nativeBuildInputs = [ pkgs.go node ];
  buildPhase = ''
    export HOME=$NIX_BUILD_TOP GOPROXY=file://${modules} GOFLAGS=-modcacherw GONOSUMDB='*' GONOSUMCHECK=1 GOTOOLCHAIN=local
    export HOLDFAST_TOOLCHAIN=$out
    mkdir -p $out
    cp -R ${source} tree && chmod -R u+w tree && ln -s ${packages.node-modules}/node_modules tree/node_modules
    for overlay in "" --overlay; do
      node --conditions=holdfast-source tree/harness/cli/main.ts doctor --install $overlay
    done
  '';
  installPhase = "find $out -name 'lock*' -delete";
  dontFixup = true;
}
