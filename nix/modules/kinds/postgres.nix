# The database server, for the programs of its units. Its settings and its folder are the agent's: `services.postgresql` of NixOS stays off.
# PostgreSQL refuses to be root, so its units run as `nobody` where the agent is that.
{ config, lib, pkgs, ... }:
{
  config = lib.mkIf (builtins.elem "postgres" config.services.holdfast-node.kinds) {
    services.holdfast-node.programs = [ pkgs.postgresql_17 ];
  };
}
