# `nix fmt`.
{ pkgs, ... }: pkgs.nixpkgs-fmt
