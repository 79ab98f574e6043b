# A topology as a NixOS test: one machine for each node, with the node agent and what its units take, and one that runs the scenarios.
#
# `pkgs`, `holdfast`   the nixpkgs of the test, and the package of this flake for the same system
# `topology`           what `mkTopology` or `topologies` has
# `parameters`         of the topology
# `folder`             scenarios of one's own; `shipped` instead, where the topology is one of this flake
# `only`               parts of paths of the scenarios that are run, where not all are
# `ground`             "nodes" for virtual machines, "containers" for systemd-nspawn
# `modules`            NixOS modules for every machine of a node, such as one with programs of one's own
{ pkgs, holdfast, topology, parameters ? { }, folder ? null, shipped ? false, only ? [ ], ground ? "nodes", modules ? [ ] }:
let
  inherit (builtins) attrNames attrValues elem filter listToAttrs map mapAttrs toJSON;
  library = import ./scenarios.nix;
  value = library.valueOf topology parameters;
  port = 7780;
  keyFile = "/run/holdfast/key";
  isVirtual = ground == "nodes";

  # One virtual LAN for each network, by their names.
  networks = attrNames (value.networks or { default = { }; });
  vlanOf = network: indexOf network networks + 1;
  networksOf = name: value.nodes.${name}.networks or networks;
  indexOf = wanted: list: if builtins.head list == wanted then 0 else 1 + indexOf wanted (builtins.tail list);

  # Its cards are numbered as its networks are, the home of a node first.
  addressIn = nodes: name: network:
    (builtins.head nodes.${name}.networking.interfaces."eth${toString (indexOf network (networksOf name) + 1)}".ipv4.addresses).address;
  homeOf = nodes: name: addressIn nodes name (builtins.head (networksOf name));
  addressesOf = nodes: name: listToAttrs (map (network: { name = network; value = addressIn nodes name network; }) (networksOf name));
  # Beside those of the machines, which are numbered from 1: the runner has them, and they are nobody's.
  firstStranger = 200;
  strangersIn = network: map (last: "192.168.${toString (vlanOf network)}.${toString last}") (builtins.genList (i: firstStranger + i) 50);
  # The runner is one of the machines.
  mostNodes = firstStranger - 2;
  count = builtins.length (attrNames value.nodes);

  # Whom a machine finds by their names, and where: in the first of its networks that both are in. The runner is in all of them.
  hostsOf = nodes: name:
    let
      shared = other: filter (network: elem network (networksOf other)) (if name == "runner" || name == other then networksOf other else networksOf name);
      found = filter (other: shared other != [ ]) (attrNames value.nodes);
    in
    listToAttrs (map (other: { name = addressIn nodes other (builtins.head (shared other)); value = [ value.nodes.${other}.host ]; }) found);

  common = nodes: name: memory: {
    networking.hosts = hostsOf nodes name;
    # Nodes listen where their plans say; between machines of a test nothing else is heard.
    networking.firewall.enable = false;
    virtualisation = { vlans = map vlanOf (if name == "runner" then networks else networksOf name); } // sized memory;
  };
  sized = memory: if isVirtual then { memorySize = memory; } else { };

  node = name: declared: { nodes, pkgs, ... }: {
    imports = [ (import ../modules).default (common nodes name 1024) ] ++ modules;
    # Cuts machines off from each other.
    environment.systemPackages = [ pkgs.iptables ];
    services.holdfast-node = {
      enable = true;
      package = holdfast;
      address = homeOf nodes name;
      inherit port keyFile;
      openFirewall = true;
      kinds = map (unit: unit.kind) (attrValues declared.units);
    };
  };

  runner = { nodes, ... }: {
    imports = [ (common nodes "runner" 2048) ];
    networking.interfaces = listToAttrs (map
      (network: { name = "eth${toString (vlanOf network)}"; value.ipv4.addresses = map (address: { inherit address; prefixLength = 24; }) (strangersIn network); })
      networks);
    environment.etc."holdfast/machines.json".text = toJSON {
      inherit keyFile;
      machines = mapAttrs (name: _: { address = homeOf nodes name; inherit port; dir = "/run/holdfast-node"; addresses = addressesOf nodes name; }) value.nodes;
      strangers = listToAttrs (map (network: { name = network; value = strangersIn network; }) networks);
      networks = true;
      faults = { folder = "/run/holdfast/faults"; ownKernel = isVirtual; };
    };
    systemd.services.holdfast-scenarios = {
      description = "Scenarios of ${value.name}";
      environment = { HOLDFAST_MACHINES = "/etc/holdfast/machines.json"; HOLDFAST_RUNTIME_DIR = "/run/holdfast-runs"; };
      # However it ends, the driver waits to be told; it takes whatever file is there, so this one appears whole.
      postStop = "printf '{\"id\":\"ended\",\"op\":\"ended\",\"result\":\"%s\"}\\n' \"$SERVICE_RESULT\" > /run/holdfast/faults/ended.new && mv /run/holdfast/faults/ended.new /run/holdfast/faults/ended.request";
      script = ''
        cd "$(mktemp -d)"
        ${library.scenarioCommand { inherit holdfast topology parameters folder shipped only; backend = "machines"; }}
      '';
      serviceConfig = {
        Type = "oneshot";
        TimeoutStartSec = "infinity";
      };
    };
  };
in
if count > mostNodes then throw "${value.name} has ${toString count} nodes, and a NixOS test has addresses for ${toString mostNodes}: give it fewer, or run it with toCheck" else
pkgs.testers.runNixOSTest {
  name = "holdfast-${if isVirtual then "vm" else "container"}-${value.name}";
  ${ground} = mapAttrs node value.nodes // { inherit runner; };
  testScript = builtins.readFile ./test-script.py;
  # All scenarios of a topology, one site after the other, and slowly where there is no KVM; the default is an hour.
  globalTimeout = 4 * 60 * 60;
  # Names such as `machines` are the driver's, and no linter knows them.
  skipTypeCheck = true;
  skipLint = true;
}
