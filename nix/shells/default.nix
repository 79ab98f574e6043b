# What working on Holdfast takes. npm installs the packages, as it does where there is no Nix.
{ pkgs, isLinux, ... }:
{
  default = pkgs.mkShell {
    packages = [ pkgs.nodejs_24 pkgs.go pkgs.openssl pkgs.curl pkgs.git pkgs.nixpkgs-fmt ]
      ++ (if isLinux then [ pkgs.iproute2 pkgs.util-linux pkgs.libfaketime pkgs.nss_wrapper pkgs.qemu ] else [ ]);
    # Debian's places of these two are the defaults.
    HOLDFAST_LIBFAKETIME = if isLinux then "${pkgs.libfaketime}/lib/libfaketimeMT.so.1" else "";
    HOLDFAST_NSS_WRAPPER = if isLinux then "${pkgs.nss_wrapper}/lib/libnss_wrapper.so" else "";
  };
}
