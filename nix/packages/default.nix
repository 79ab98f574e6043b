# Every other file in this folder is a package named after the file. Images of the system that containers have, Linux, are made there.
{ read, isLinux, ... }@arguments:
let
  files = builtins.removeAttrs (read ./.) (if isLinux then [ ] else [ "image" ]);
  made = builtins.mapAttrs (_: package: package (arguments // { packages = made; })) files;
in
made // { default = made.holdfast; }
