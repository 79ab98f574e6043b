# Every .nix file of a folder but default.nix, imported, by its name without the ending.
folder:
let
  inherit (builtins) attrNames filter head listToAttrs match readDir;
  nameOf = file: match "(.*)\\.nix" file;
  files = filter (file: file != "default.nix" && nameOf file != null) (attrNames (readDir folder));
in
listToAttrs (map (file: { name = head (nameOf file); value = import (folder + "/${file}"); }) files)
