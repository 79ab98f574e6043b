{
  # This example lies in the tree of Holdfast. Elsewhere: where your copy of it is, such as "git+file:///home/you/holdfast".
  inputs.holdfast.url = "path:../../../..";
  inputs.nixpkgs.follows = "holdfast/nixpkgs";

  outputs = { self, nixpkgs, holdfast }:
    let
      system = "x86_64-linux";
      pkgs = nixpkgs.legacyPackages.${system};
      lab = {
        inherit pkgs;
        inherit (holdfast.packages.${system}) holdfast;
        topology = holdfast.lib.mkTopology ./lab.nix;
      };
    in
    {
      # What follows from the topology, on processes in the sandbox of the build, and on virtual machines.
      checks.${system} = {
        lab = holdfast.lib.toCheck lab;
        lab-vm = holdfast.lib.toNixosTest lab;
      };
    };
}
