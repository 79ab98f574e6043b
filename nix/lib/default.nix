# What the flake offers as `lib`: functions for topologies, the shipped ones by name, and their checked-in form.
let
  library = import ./topology.nix;
  topologies = import ../topologies { inherit (library) load; };
in
library // {
  inherit topologies;
  packed = builtins.mapAttrs (_: library.pack) topologies;
}
