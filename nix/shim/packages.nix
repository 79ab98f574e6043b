system:
let
  inherit (builtins) attrNames concatMap concatStringsSep filter isAttrs isList listToAttrs map mapAttrs toJSON;

  lib = import ./lib.nix;
  settings = builtins.fromJSON (builtins.readFile ./settings.json);
  allowed = builtins.fromJSON (builtins.readFile ./options.json);

  # Programs of the host are no part of a hash, so without a salt an earlier pass would be taken for one of today.
  build = name: environment: script: derivation ({
    inherit name system script;
    inherit (settings) salt;
    builder = "/bin/bash";
    args = [ "-euo" "pipefail" "-c" "export PATH=$PATH:/host/bin:/usr/bin:/bin:/usr/sbin HOME=$NIX_BUILD_TOP; cd $NIX_BUILD_TOP; eval \"$script\"" ];
  } // environment);

  linksTo = programs: concatStringsSep "\n" ([ "mkdir -p $out/bin" ] ++ map (program: "ln -s \"$(command -v ${program})\" $out/bin/${program}") programs);
  host = pname: programs: build "host-${pname}" { PATH = ""; } (linksTo programs) // { inherit pname; version = "host"; };
  named = names: listToAttrs (map (name: { inherit name; value = host name [ name ]; }) names);
  # Only its name is used here: nothing that is built looks into it.
  hollow = pname: build "hollow-${pname}" { PATH = ""; } "mkdir -p $out/bin" // { inherit pname; version = "host"; };
  hollows = names: listToAttrs (map (name: { inherit name; value = hollow name; }) names);

  pathOf = packages: concatStringsSep ":" (map (package: "${package}/bin") packages);
  plain = environment: removeAttrs environment [ "nativeBuildInputs" "buildPhase" "installPhase" "meta" "pname" "version" "src" "dontUnpack" "dontFixup" ];

  # What takes a network or minutes to build, and lies on the host already: `sandbox-paths` puts it there.
  prebuilt = {
    holdfast-node-modules = "mkdir -p $out && ln -s /host/node_modules $out/node_modules";
    holdfast-toolchain = "ln -s /host/toolchain $out";
  };

  mkDerivation = { pname, version, src ? null, buildPhase ? "", installPhase ? "", nativeBuildInputs ? [ ], ... }@arguments:
    let
      isPrebuilt = settings.prebuilt && prebuilt ? ${pname};
      unpack = if src == null then "" else "cp -R ${src} tree && chmod -R u+w tree && cd tree";
      environment = plain arguments // { PATH = pathOf nativeBuildInputs; };
      made =
        if isPrebuilt then build "${pname}-${version}" { PATH = ""; } prebuilt.${pname}
        else build "${pname}-${version}" environment (concatStringsSep "\n" [ unpack buildPhase installPhase ]);
    in
    made // { inherit pname version buildPhase installPhase; };

  # What `settings.json` narrows a check to, which tells it.
  narrowed = name: if settings.narrowed ? ${name} then { only = settings.narrowed.${name}; } else { };
  runCommand = name: environment: script:
    build name (plain environment // narrowed name // { PATH = pathOf (environment.nativeBuildInputs or [ ]); }) script;

  # A test of several machines, as the options that it gives each of them.
  runNixOSTest = { name, testScript, nodes ? { }, containers ? { }, globalTimeout ? 3600, skipTypeCheck ? false, skipLint ? false }@test:
    let
      machines = nodes // containers;
      names = attrNames machines;
      # As the framework numbers them.
      numberOf = name: builtins.length (filter (other: builtins.lessThan other name) names) + 1;
      addressIn = machine: vlan: "192.168.${toString vlan}.${toString (numberOf machine)}";
      seen = mapAttrs
        (machine: module:
          let vlans = concatMap (list: list) ((evaluate machine module).definitions [ "virtualisation" "vlans" ]); in {
            networking = {
              hostName = machine;
              primaryIPAddress = addressIn machine (builtins.head vlans);
              interfaces = listToAttrs (builtins.genList
                (i: { name = "eth${toString (i + 1)}"; value.ipv4.addresses = [{ address = addressIn machine (builtins.elemAt vlans i); prefixLength = 24; }]; })
                (builtins.length vlans));
            };
          })
        machines;
      isContainer = machine: containers ? ${machine};
      allowedFor = machine: if isContainer machine then removeAttrs allowed (filter (option: option != "virtualisation.vlans" && builtins.match "virtualisation\\..*" option != null) (attrNames allowed)) else allowed;
      evaluate = machine: module:
        import ./modules.nix { inherit lib; allowed = allowedFor machine; known = seen.${machine}; } { inherit pkgs; name = machine; nodes = seen; } [ module ];
      valuesOf = machine: module: (evaluate machine module).values;
      rendered = {
        inherit name testScript globalTimeout;
        nodes = mapAttrs valuesOf nodes;
        containers = mapAttrs valuesOf containers;
      };
    in
    build "vm-test-run-${name}" { PATH = ""; spec = toJSON rendered; passAsFile = [ "spec" ]; } "cp $specPath $out" // { inherit rendered; };

  pkgs = named [ "openssl" "curl" "git" ] // hollows [ "cacert" "gitMinimal" "iptables" "nixpkgs-fmt" "statix" "deadnix" "libfaketime" "nss_wrapper" "qemu" "bashInteractive" "coreutils" ] // {
    inherit lib system;
    runtimeShell = "/bin/bash";
    nodejs_24 = host "nodejs" [ "node" ];
    go = hollow "go";
    iproute2 = host "iproute2" [ "ip" ];
    util-linux = host "util-linux" [ "unshare" "nsenter" "mount" "umount" "setpriv" ];
    step-ca = hollow "step-ca";
    step-cli = hollow "step-cli";
    nats-server = hollow "nats-server";
    nginx = hollow "nginx";
    nsc = hollow "nsc";
    postgresql_17 = hollow "postgresql_17";
    stdenvNoCC = { inherit mkDerivation; };
    # What `settings.json` names is evaluated to its derivation and written down; all else is run.
    runCommand = name: environment: script:
      if builtins.elem name settings.rendered then build name { PATH = ""; spec = script; passAsFile = [ "spec" ]; } "cp $specPath $out"
      else runCommand name environment script;
    mkShell = environment: build "shell" { PATH = pathOf (environment.packages or [ ]); } "mkdir -p $out";
    dockerTools.buildLayeredImage = { name, tag, contents, config }:
      build "${name}-${tag}.tar.gz" { PATH = ""; spec = toJSON { inherit name tag contents config; }; passAsFile = [ "spec" ]; } "cp $specPath $out";
    testers.runNixOSTest = runNixOSTest;
  };
in
pkgs
