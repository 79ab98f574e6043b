# What runs: documents and tests of the repository itself are left out, so that a change of them builds nothing anew.
{ self, pkgs, ... }:
let
  # Of a store that lies elsewhere, paths begin with where it lies.
  below = path: builtins.head (builtins.match ".*/[0-9a-z]{32}-[^/]*/(.*)" path);
  kept = [ "bin" "harness" "services" "scenarios" "fixtures" "checks" "nix" ];
  keptFiles = [ "package.json" "package-lock.json" "vitest.config.ts" "tsconfig.json" "LICENSE" ];
  checkedIn = builtins.fromJSON (builtins.readFile ../topologies/topologies.json);
  isKept = path: type:
    let
      name = below (toString path);
      top = builtins.head (builtins.match "([^/]*).*" name);
    in
    if type == "directory" then builtins.elem top kept && name != "checks/golden" && name != "nix/shim"
    else builtins.elem top kept || builtins.elem name keptFiles;
in
pkgs.stdenvNoCC.mkDerivation {
  pname = "holdfast-source";
  version = "0.1.0";
  src = builtins.path { path = self; name = "holdfast"; filter = isKept; };
  # What is checked in, and of a topology that was just added what Nix evaluates it to: packing all of them takes seconds.
  topologies = builtins.toJSON (builtins.mapAttrs (name: packed: checkedIn.${name} or packed) (import ../lib).packed);
  passAsFile = [ "topologies" ];
  installPhase = ''
    mkdir -p $out
    cp -R . $out/
    chmod -R u+w $out
    cp "$topologiesPath" $out/nix/topologies/topologies.json
  '';
}
