# A container image with the command line, the node agent and all programs that nodes run.
{ pkgs, packages, ... }:
pkgs.dockerTools.buildLayeredImage {
  name = "holdfast";
  tag = "latest";
  contents = [ packages.holdfast pkgs.bashInteractive pkgs.coreutils pkgs.cacert ];
  config = {
    Entrypoint = [ "${packages.holdfast}/bin/holdfast" ];
    Env = [ "SSL_CERT_FILE=${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt" ];
    WorkingDir = "/work";
    Volumes = { "/work" = { }; };
  };
}
