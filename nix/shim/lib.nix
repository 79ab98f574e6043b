# As much of nixpkgs' lib as the modules of this repository use. What is not here fails by its name, in this flake first.
let
  inherit (builtins) all concatLists elemAt filter head isAttrs isBool isInt isList isString length mapAttrs typeOf;

  type = name: check: merge: { _type = "option-type"; inherit name check merge; };
  # Two definitions of what can be defined once only are a mistake, unless they are the same.
  one = where: values:
    if all (value: value == head values) values then head values
    else throw "${where} has ${toString (length values)} definitions that differ";
  isPackage = value: isAttrs value && value ? outPath || isString value && builtins.substring 0 11 value == "/nix/store/";
in
rec {
  types = {
    str = type "string" isString one;
    bool = type "boolean" isBool one;
    int = type "integer" isInt one;
    port = type "port" (value: isInt value && value >= 0 && value < 65536) one;
    package = type "package" isPackage (_: head);
    anything = type "anything" (_: true) one;
    listOf = element: type "list of ${element.name}" (value: isList value && all element.check value) (_: concatLists);
    attrsOf = element: type "attribute set of ${element.name}"
      (value: isAttrs value && all (name: element.check value.${name}) (builtins.attrNames value))
      (_: builtins.foldl' (a: b: a // b) { });
  };

  mkOption = option: option // { _type = "option"; };
  mkEnableOption = what: mkOption { type = types.bool; default = false; description = "Whether to enable ${what}."; };
  mkIf = condition: content: { _type = "if"; inherit condition content; };
  mkMerge = contents: { _type = "merge"; inherit contents; };
}
