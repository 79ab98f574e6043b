# A program of the user's own: whoever declares it adds what it needs to `services.holdfast-node.programs`.
{ config, lib, pkgs, ... }:
{
  config = lib.mkIf (builtins.elem "exec" config.services.holdfast-node.kinds) {
    services.holdfast-node.programs = [ pkgs.bashInteractive pkgs.coreutils ];
  };
}
