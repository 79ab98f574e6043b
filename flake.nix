{
  description = "Holdfast: proves which credentials are accepted, which are refused, and why";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs = { self, nixpkgs }: with import ./nix/outputs.nix { inherit self nixpkgs; }; {
    # These two use no nixpkgs, so they evaluate anywhere and at once.
    lib = import ./nix/lib;
    topologies = (import ./nix/lib).packed;
    packages = onAll ./nix/packages;
    apps = onAll ./nix/apps;
    devShells = onAll ./nix/shells;
    checks = onLinux ./nix/checks;
    formatter = onAll ./nix/formatter.nix;
    nixosModules = import ./nix/modules;
  };
}
