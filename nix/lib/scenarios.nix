# What is run of a topology, wherever it is run.
let
  inherit (builtins) any attrNames filter readDir toJSON;

  folders = path: filter (name: (readDir path).${name} == "directory") (attrNames (readDir path));
  hasClaim = claim: any (system: builtins.elem claim (folders (../../scenarios + "/${system}"))) (folders ../../scenarios);

  # A value of plain data, checked.
  valueOf = topology: parameters: if topology ? instance then topology.instance parameters else topology;

  # What `holdfast test` is told. Of a shipped topology it is the claim that the rest is refused: everything that its trust graph says, and
  # nothing else; of others, their file: matrix, attacks and the scenarios beside it.
  asked = name: if hasClaim "${name}-refuses-the-rest" then "${name}-refuses-the-rest" else name;
in
{
  inherit valueOf;

  # A shell text that ends as the scenarios do. It runs in a folder that can be written in.
  # `folder`: scenarios of one's own, which name the topology as `./topology.json`; without them, what follows from the topology is tried.
  scenarioCommand = { holdfast, topology, parameters ? { }, folder ? null, backend ? "process", shipped ? false }:
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
      ${holdfast}/bin/holdfast test ${if shipped then asked name else "./topology.json"} --backend ${backend}'';
}
