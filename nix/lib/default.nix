# What the flake offers as `lib`: functions for topologies and what is made of them, the shipped ones by name, and their checked-in form.
let
  library = import ./topology.nix;
  topologies = import ../topologies { inherit (library) load; };
  scenarios = import ./scenarios.nix;
in
library // scenarios // {
  inherit topologies;
  packed = builtins.mapAttrs (_: library.pack) topologies;

  # A topology of one's own: its file, or what a file would hold.
  mkTopology = source: if builtins.isPath source then library.load source else library.load' source;
  toNixosTest = import ./nixos-test.nix;
  # A derivation that holds when the scenarios do, on nodes inside the sandbox of its build.
  toCheck = { pkgs, backend ? "process", ... }@given:
    let name = (scenarios.valueOf given.topology (given.parameters or { })).name; in
    pkgs.runCommand "holdfast-${if backend == "process" then "scenarios" else backend}-${name}" { } ''
      export HOLDFAST_RUNTIME_DIR=$PWD/run
      ${scenarios.scenarioCommand (removeAttrs given [ "pkgs" ])} > "$NIX_BUILD_TOP/verdict" || failed=1
      cat "$NIX_BUILD_TOP/verdict"
      [ -z "''${failed:-}" ]
      cp "$NIX_BUILD_TOP/verdict" $out
    '';
}
