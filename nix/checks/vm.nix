# On virtual machines with NixOS, by its test driver.
{
  each = { pkgs, packages, holdfast, topology, ... }: holdfast.toNixosTest { inherit pkgs topology; holdfast = packages.holdfast; shipped = true; };
}
