# The same on systemd-nspawn: a NixOS of its own for each node, on one kernel, without KVM.
{
  each = { pkgs, packages, holdfast, topology, ... }: holdfast.toNixosTest { inherit pkgs topology; holdfast = packages.holdfast; shipped = true; ground = "containers"; };
}
