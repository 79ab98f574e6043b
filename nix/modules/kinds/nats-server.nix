# The broker. Its configuration is the agent's, as on every backend: `services.nats` of NixOS stays off.
{ config, lib, pkgs, ... }:
{
  config = lib.mkIf (builtins.elem "nats-server" config.services.holdfast-node.kinds) {
    services.holdfast-node.programs = [ pkgs.nats-server ];
  };
}
