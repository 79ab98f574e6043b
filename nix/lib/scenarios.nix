# What is run of a topology, wherever it is run.
let
  inherit (builtins) concatStringsSep toJSON;

  # A value of plain data, checked.
  valueOf = topology: parameters: if topology ? instance then topology.instance parameters else topology;
in
{
  inherit valueOf;

  # A shell text that ends as the scenarios do. It runs in a folder that can be written in.
  # `folder`: scenarios of one's own, which name the topology as `./topology.json`; without them, what follows from the topology is tried.
  # `shipped`: the topology is one of this flake, and all of its scenarios are run. `only`: parts of paths of those that are run instead;
  # the variable `only` says the same of a derivation that is there already. What was left out so is said, for less is proven then.
  scenarioCommand = { holdfast, topology, parameters ? { }, folder ? null, backend ? "process", shipped ? false, only ? [ ] }:
    let
      name = (valueOf topology parameters).name;
      own = ''
        ${if folder == null then "mkdir own" else "cp -R ${folder} own"}
        chmod -R u+w own
        cp ${builtins.toFile "topology.json" (toJSON (valueOf topology parameters))} own/topology.json
        cd own
      '';
      copied = ''
        cp -R ${holdfast}/lib/holdfast tree
        chmod -R u+w tree
        cd tree
      '';
    in
    ''
      ${if shipped then copied else own}
      export HOME=$PWD CI=true NO_COLOR=1
      only=''${only:-${concatStringsSep " " only}}
      [ -z "$only" ] || echo "narrowed to $only: no other scenario of ${name} is run here" >&2
      ${holdfast}/bin/holdfast test ''${only:-${if shipped then name else "./topology.json"}} --backend ${backend}'';
}
