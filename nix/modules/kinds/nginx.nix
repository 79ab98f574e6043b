# The proxy. Its configuration and its folder are the agent's: `services.nginx` of NixOS stays off.
{ config, lib, pkgs, ... }:
{
  config = lib.mkIf (builtins.elem "nginx" config.services.holdfast-node.kinds) {
    services.holdfast-node.programs = [ pkgs.nginx ];
  };
}
