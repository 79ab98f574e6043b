# Nothing unused, and nothing that is said twice.
{
  once = { self, pkgs, ... }: {
    lint = pkgs.runCommand "holdfast-lint" { nativeBuildInputs = [ pkgs.statix pkgs.deadnix ]; } ''
      deadnix --fail --no-lambda-pattern-names ${self}/flake.nix ${self}/nix
      statix check ${self}/nix
      touch $out
    '';
  };
}
