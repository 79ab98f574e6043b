# A program of Holdfast's own: it runs on the Node of the agent, which brings it along.
{ config, lib, pkgs, ... }:
{
  config = lib.mkIf (builtins.elem "bearer-node" config.services.holdfast-node.kinds) {
    services.holdfast-node.programs = [ pkgs.nodejs_24 ];
  };
}
