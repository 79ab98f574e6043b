# What flake.nix says one line for each of: the outputs that there are once for every system.
{ self, nixpkgs }:
let
  linux = [ "x86_64-linux" "aarch64-linux" ];
  darwin = [ "x86_64-darwin" "aarch64-darwin" ];

  on = systems: file: builtins.listToAttrs (map (system: { name = system; value = import file (argumentsFor system); }) systems);

  # Every file below nix/ that is no module takes some of these.
  argumentsFor = system: rec {
    inherit self system;
    pkgs = nixpkgs.legacyPackages.${system};
    isLinux = builtins.elem system linux;
    packages = self.packages.${system};
    holdfast = import ./lib;
    read = import ./read-folder.nix;
  };
in
{
  onLinux = on linux;
  # Nodes need Linux; building, the command line and the backend `process` do not.
  onAll = on (linux ++ darwin);
}
