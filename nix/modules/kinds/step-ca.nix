# The certificate authority, and the program that makes its keys. Its configuration is the agent's: `services.step-ca` of NixOS stays off.
{ config, lib, pkgs, ... }:
{
  config = lib.mkIf (builtins.elem "step-ca" config.services.holdfast-node.kinds) {
    services.holdfast-node.programs = [ pkgs.step-ca pkgs.step-cli ];
  };
}
