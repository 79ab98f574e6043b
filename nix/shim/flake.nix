{
  description = "Stands in for nixpkgs where there is none: packages are links to programs of the host, and a VM test is rendered, not run.";

  outputs = { self }: {
    lib = import ./lib.nix;
    legacyPackages = builtins.listToAttrs (map
      (system: { name = system; value = import ./packages.nix system; })
      [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ]);
  };
}
