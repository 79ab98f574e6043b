# Every Nix file is as `nix fmt` writes it.
{
  once = { self, pkgs, ... }: {
    format = pkgs.runCommand "holdfast-format" { nativeBuildInputs = [ pkgs.nixpkgs-fmt ]; } ''
      nixpkgs-fmt --check ${self}/flake.nix ${self}/nix
      touch $out
    '';
  };
}
