# Runs nsc, and asks a broker what came of it.
{ config, lib, pkgs, ... }:
{
  config = lib.mkIf (builtins.elem "nsc-rotate" config.services.holdfast-node.kinds) {
    services.holdfast-node.programs = [ pkgs.nodejs_24 pkgs.nsc ];
  };
}
