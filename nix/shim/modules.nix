# As much of the module system as the modules of this repository use: imports, options with types, mkIf and mkMerge. An option that no
# module here declares must be on the list (`options.json`: path and type), for there is no NixOS here that would know it.
{ lib, allowed, known }:
let
  inherit (builtins) attrNames concatLists concatMap concatStringsSep elemAt filter foldl' hasAttr head isAttrs isFunction isPath isString length listToAttrs map match seq tail;

  show = path: concatStringsSep "." path;
  isPackage = value: value ? outPath;
  kindOf = value: if isAttrs value then value._type or "" else "";

  # ---- modules, with what they import

  collect = arguments: module:
    let
      loaded = if isPath module || isString module then import module else module;
      value = if isFunction loaded then loaded arguments else loaded;
      isLong = value ? options || value ? config;
      stray = filter (name: !(builtins.elem name [ "imports" "options" "config" ])) (attrNames value);
    in
    if isLong && stray != [ ] then throw "a module has config or options, and beside them ${head stray}"
    else [{
      options = value.options or { };
      config = if isLong then value.config or { } else removeAttrs value [ "imports" ];
    }] ++ concatMap (collect arguments) (value.imports or [ ]);

  declaredIn = path: value:
    if kindOf value == "option" then [{ inherit path; option = value; }]
    else concatMap (name: declaredIn (path ++ [ name ]) value.${name}) (attrNames value);

  # ---- definitions

  # Conditions are looked at last: they ask for options themselves.
  at = path: value:
    if kindOf value == "if" then (let inside = at path value.content; in if inside == [ ] then [ ] else if value.condition then inside else [ ])
    else if kindOf value == "merge" then concatMap (at path) value.contents
    else if path == [ ] then [ value ]
    else if isAttrs value && hasAttr (head path) value then at (tail path) value.${head path}
    else [ ];

  fits = path: pattern: length path == length pattern
    && builtins.all (i: elemAt pattern i == elemAt path i || match "<.*>" (elemAt pattern i) != null) (builtins.genList (i: i) (length path));
  split = text: filter isString (builtins.split "\\." text);
  patterns = map (name: { path = split name; type = typeNamed allowed.${name}; }) (attrNames allowed);
  listed = path: let found = filter (one: fits path one.path) patterns; in if found == [ ] then null else (head found).type;

  typeNamed = name:
    let nested = match "(list|attribute set) of (.*)" name; in
    if nested == null then (listToAttrs (map (type: { inherit (type) name; value = type; }) (filter (type: type ? name) (builtins.attrValues lib.types)))).${name}
    else (if head nested == "list" then lib.types.listOf else lib.types.attrsOf) (typeNamed (elemAt nested 1));

  # Every path that a value defines, of those that are no declared options.
  defined = isDeclared: path: value:
    if kindOf value == "if" then (if value.condition then defined isDeclared path value.content else [ ])
    else if kindOf value == "merge" then concatMap (defined isDeclared path) value.contents
    else if isDeclared path then [ ]
    else if listed path != null then [ path ]
    else if isAttrs value && !(isPackage value) then concatMap (name: defined isDeclared (path ++ [ name ]) value.${name}) (attrNames value)
    else throw "the option ${show path} is not on the list of NixOS options (nix/shim/options.json); add it there with its type, when the manual of NixOS has it";

  merged = { path, type, values }:
    let wrong = filter (value: !(type.check value)) values; in
    if wrong == [ ] then type.merge (show path) values
    else throw "the option ${show path} is no ${type.name}, but ${builtins.typeOf (head wrong)}";

  put = path: value: if path == [ ] then value else { ${head path} = put (tail path) value; };
  join = a: b: if isAttrs a && isAttrs b && !(isPackage a) then a // builtins.mapAttrs (name: v: if hasAttr name a then join a.${name} v else v) b else b;
in
# `arguments`: what modules get beside config and lib. `values`: every option with a value, by its path. `definitions`: of one path, which
# can be asked for while values of other machines still depend on it.
arguments: modules:
let
  all = concatMap (collect (arguments // { inherit lib config; })) modules;
  options = concatMap (module: declaredIn [ ] module.options) all;
  definitions = path: concatMap (module: at path module.config) all;

  valueOf = { path, option }:
    let values = definitions path; in
    if values != [ ] then merged { inherit path values; inherit (option) type; }
    else option.default or (throw "the option ${show path} is used and has no value");
  # What modules see of it: declared options, and what the test framework of NixOS says itself.
  config = foldl' join known (map (one: put one.path (valueOf one)) options);

  isDeclared = path: builtins.any (one: one.path == path) options;
  others = attrNames (listToAttrs (map (path: { name = builtins.toJSON path; value = null; }) (concatMap (module: defined isDeclared [ ] module.config) all)));
  otherValue = text:
    let path = builtins.fromJSON text; in {
      name = show path;
      value = merged { inherit path; type = listed path; values = definitions path; };
    };
  hasValue = one: definitions one.path != [ ] || one.option ? default;
in
{
  inherit definitions;
  values = listToAttrs (map otherValue others ++ map (one: { name = show one.path; value = valueOf one; }) (filter hasValue options));
}
