# A topology as a NixOS test: one machine for each node, with the node agent and what its units take, and one that runs the scenarios.
#
# `pkgs`, `holdfast`   the nixpkgs of the test, and the package of this flake for the same system
# `topology`           what `mkTopology` or `topologies` has
# `parameters`         of the topology
# `folder`             scenarios of one's own; `shipped` instead, where the topology is one of this flake
# `ground`             "nodes" for virtual machines, "containers" for systemd-nspawn
# `modules`            NixOS modules for every machine of a node, such as one with programs of one's own
{ pkgs, holdfast, topology, parameters ? { }, folder ? null, shipped ? false, ground ? "nodes", modules ? [ ] }:
let
  inherit (builtins) attrNames attrValues listToAttrs map mapAttrs toJSON;
  library = import ./scenarios.nix;
  value = library.valueOf topology parameters;
  port = 7780;
  keyFile = "/run/holdfast/key";
  isVirtual = ground == "nodes";

  addresses = nodes: mapAttrs (name: _: nodes.${name}.networking.primaryIPAddress) value.nodes;
  # Beside those of the machines, which are numbered from 1: the runner has them, and they are nobody's.
  strangers = nodes: map (last: "192.168.1.${toString last}") (builtins.genList (i: 200 + i) 50);
  hostsOf = nodes: listToAttrs (map (name: { name = (addresses nodes).${name}; value = [ value.nodes.${name}.host ]; }) (attrNames value.nodes));

  common = nodes: {
    networking.hosts = hostsOf nodes;
    # Nodes listen where their plans say; between machines of a test nothing else is heard.
    networking.firewall.enable = false;
  } // sized 1024;
  sized = memory: if isVirtual then { virtualisation.memorySize = memory; } else { };

  node = name: declared: { nodes, pkgs, ... }: {
    imports = [ (import ../modules).default (common nodes) ] ++ modules;
    # Cuts machines off from each other.
    environment.systemPackages = [ pkgs.iptables ];
    services.holdfast-node = {
      enable = true;
      package = holdfast;
      address = nodes.${name}.networking.primaryIPAddress;
      inherit port keyFile;
      openFirewall = true;
      kinds = map (unit: unit.kind) (attrValues declared.units);
    };
  };

  runner = { nodes, ... }: {
    imports = [ (common nodes // sized 2048) ];
    networking.interfaces.eth1.ipv4.addresses = map (address: { inherit address; prefixLength = 24; }) (strangers nodes);
    environment.etc."holdfast/machines.json".text = toJSON {
      inherit keyFile;
      machines = mapAttrs (_: address: { inherit address port; dir = "/run/holdfast-node"; }) (addresses nodes);
      strangers = strangers nodes;
      faults = "/run/holdfast/faults";
    };
    systemd.services.holdfast-scenarios = {
      description = "Scenarios of ${value.name}";
      environment = { HOLDFAST_MACHINES = "/etc/holdfast/machines.json"; HOLDFAST_RUNTIME_DIR = "/run/holdfast-runs"; };
      # However it ends, the driver waits to be told; it takes whatever file is there, so this one appears whole.
      postStop = "printf '{\"id\":\"ended\",\"op\":\"ended\",\"result\":\"%s\"}\\n' \"$SERVICE_RESULT\" > /run/holdfast/faults/ended.new && mv /run/holdfast/faults/ended.new /run/holdfast/faults/ended.request";
      script = ''
        cd "$(mktemp -d)"
        ${library.scenarioCommand { inherit holdfast topology parameters folder shipped; backend = "machines"; }}
      '';
      serviceConfig = {
        Type = "oneshot";
        TimeoutStartSec = "infinity";
      };
    };
  };
in
pkgs.testers.runNixOSTest {
  name = "holdfast-${if isVirtual then "vm" else "container"}-${value.name}";
  ${ground} = mapAttrs node value.nodes // { inherit runner; };
  testScript = builtins.readFile ./test-script.py;
  # Names such as `machines` are the driver's, and no linter knows them.
  skipTypeCheck = true;
  skipLint = true;
}
