# `nix run . -- demo federation`, and the agent by its own name.
{ packages, ... }:
let
  app = name: description: { type = "app"; program = "${packages.holdfast}/bin/${name}"; meta = { inherit description; }; };
in
{
  default = app "holdfast" "The command line: list, check, up, test, demo and the others";
  holdfast-node = app "holdfast-node" "The node agent";
}
