# The node agent as a service: it waits for whoever has the key, and runs on this host what that one's plan says of its node.
#
# One service for the whole node. The order of units goes from host to host (an enrolment waits for the CA of another node), which systemd
# knows nothing of, and hand-overs pass through the agent: units as services of their own would start by two orders.
{ config, lib, pkgs, ... }:
let
  cfg = config.services.holdfast-node;
in
{
  options.services.holdfast-node = {
    enable = lib.mkEnableOption "the Holdfast node agent";
    package = lib.mkOption {
      type = lib.types.package;
      description = "Holdfast itself: `packages.<system>.holdfast` of its flake.";
    };
    address = lib.mkOption {
      type = lib.types.str;
      description = "Address of this host that the agent listens on, and that its units have.";
    };
    port = lib.mkOption {
      type = lib.types.port;
      default = 7780;
      description = "Port of the agent.";
    };
    keyFile = lib.mkOption {
      type = lib.types.str;
      default = "/run/holdfast/key";
      description = "File (mode 0600) with the key of those who may lead the agent: 64 hexadecimal digits. The service starts once it is there.";
    };
    kinds = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      description = "Service kinds of the units that run on this host: their modules bring the programs.";
    };
    programs = lib.mkOption {
      type = lib.types.listOf lib.types.package;
      default = [ ];
      description = "Programs that the agent and its units find on their PATH.";
    };
    openFirewall = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether the agent can be reached from other hosts. Ports of units are not opened by it.";
    };
  };

  config = lib.mkIf cfg.enable {
    systemd.services.holdfast-node = {
      description = "Holdfast node agent";
      after = [ "network-online.target" ];
      wants = [ "network-online.target" ];
      wantedBy = [ "holdfast-node.target" ];
      path = cfg.programs;
      serviceConfig = {
        # Whoever leads it waits until it listens.
        Type = "exec";
        ExecStart = "${cfg.package}/bin/holdfast serve --listen ${cfg.address}:${toString cfg.port} --key ${cfg.keyFile} --dir /run/holdfast-node";
        RuntimeDirectory = "holdfast-node";
        RuntimeDirectoryMode = "0700";
        KillMode = "mixed";
        Restart = "on-failure";
      };
    };
    systemd.targets.holdfast-node = {
      description = "The Holdfast node agent can be led";
      requires = [ "holdfast-node.service" ];
      after = [ "holdfast-node.service" ];
    };
    # The key may come later than the host.
    systemd.paths.holdfast-node = {
      wantedBy = [ "multi-user.target" ];
      pathConfig = { PathExists = cfg.keyFile; Unit = "holdfast-node.target"; };
    };
    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall [ cfg.port ];
  };
}
