# The node agent as a NixOS service, and one module for each service kind: what a host takes so that units of that kind can run on it.
let
  kinds = import ../read-folder.nix ./kinds;
in
kinds // {
  holdfast-node = import ./holdfast-node.nix;
  # With every kind that is shipped.
  default = { imports = [ ./holdfast-node.nix ] ++ builtins.attrValues kinds; };
}
