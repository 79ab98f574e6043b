# Every other file in this folder is a kind of check: what it makes of each topology, or checks of its own, by their names.
{ read, holdfast, ... }@arguments:
let
  ofTopology = kind: make: builtins.listToAttrs (map
    (name: { name = "${kind}-${name}"; value = make (arguments // { inherit name; topology = holdfast.topologies.${name}; }); })
    (builtins.attrNames holdfast.topologies));
  families = read ./.;
in
builtins.foldl' (all: more: all // more) { } (builtins.attrValues (builtins.mapAttrs
  (kind: family: if family ? each then ofTopology kind family.each else family.once arguments)
  families))
