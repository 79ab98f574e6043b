# The command line and the node agent, run from their sources.
{ self, pkgs, packages, isLinux, ... }:
let
  inherit (packages) source node-modules toolchain;
  node = pkgs.nodejs_24;
  # Programs that nodes run, and those that people call nodes with.
  programs = [ node pkgs.openssl pkgs.curl pkgs.postgresql_17 pkgs.nginx ] ++ (if isLinux then [ pkgs.iproute2 pkgs.util-linux ] else [ ]);
  path = builtins.concatStringsSep ":" (map (program: "${program}/bin") programs);
in
pkgs.stdenvNoCC.mkDerivation {
  pname = "holdfast";
  version = "0.1.0";
  dontUnpack = true;
  installPhase = ''
    mkdir -p $out/bin $out/lib
    cp -R ${source} $out/lib/holdfast
    chmod u+w $out/lib/holdfast
    ln -s ${node-modules}/node_modules $out/lib/holdfast/node_modules
    start() {
      cat > $out/bin/$1 <<EOF
    #!${pkgs.runtimeShell}
    export PATH=${path}\''${PATH:+:\$PATH} HOLDFAST_TOOLCHAIN=\''${HOLDFAST_TOOLCHAIN:-${toolchain}}
    exec ${node}/bin/node --conditions=holdfast-source --disable-warning=ExperimentalWarning $out/lib/holdfast/$2 "\$@"
    EOF
      chmod 755 $out/bin/$1
    }
    start holdfast harness/cli/main.ts
    start holdfast-node harness/agent/main.ts
  '';
  meta = {
    description = "Proves which credentials are accepted, which are refused, and why";
    mainProgram = "holdfast";
  };
}
