# Every other .nix file in this folder is a topology named after the file.
{ load }:
let
  inherit (builtins) attrNames filter head listToAttrs match readDir;
  nameOf = file: match "(.*)\\.nix" file;
  files = filter (file: file != "default.nix" && nameOf file != null) (attrNames (readDir ./.));
in
listToAttrs (map (file: { name = head (nameOf file); value = load (./. + "/${file}"); }) files)
