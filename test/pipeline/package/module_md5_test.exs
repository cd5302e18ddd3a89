defmodule Pipeline.Package.ModuleMD5Test do
  use ExUnit.Case, async: true

  alias Pipeline.Package.ModuleMD5

  test "is what the VM has, for all modules of Elixir and OTP" do
    binaries =
      for application <- [:elixir, :kernel, :stdlib, :crypto, :compiler, :pipeline_plugin],
          path <- Path.wildcard(Application.app_dir(application, "ebin/*.beam")),
          {:ok, <<"FOR1", _::binary>> = binary} <- [File.read(path)],
          do: binary

    assert length(binaries) > 300
    for binary <- binaries, do: assert(ModuleMD5.of(binary) == :code.module_md5(binary))
  end

  test "is none of what is no BEAM file, wherever it is cut" do
    binary = File.read!(:code.which(Pipeline.Package.ModuleMD5))

    for size <- 0..(byte_size(binary) - 1)//7,
        digest = ModuleMD5.of(binary_part(binary, 0, size)),
        do: assert(byte_size(digest) == 16)

    refute ModuleMD5.of(binary_part(binary, 0, div(byte_size(binary), 2)))
    assert ModuleMD5.of("FOR1") == nil
    assert ModuleMD5.of(<<"FOR1", 4::32, "BEAM">>) == nil
    assert ModuleMD5.of(<<"FOR1", 12::32, "BEAM", "Code", 100::32>>) == nil
    assert ModuleMD5.of(:zlib.gzip(binary)) == nil
  end
end
