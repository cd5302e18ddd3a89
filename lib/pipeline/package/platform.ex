defmodule Pipeline.Package.Platform do
  @moduledoc false
  # What a package can require of where it is installed.

  @doc """
  The platform of this VM, as native libraries are built for it: architecture, system, C library.

      iex> Pipeline.Package.Platform.name("x86_64-pc-linux-gnu")
      "x86_64-linux-gnu"
      iex> Pipeline.Package.Platform.name("aarch64-apple-darwin23.1.0")
      "aarch64-darwin"
  """
  @spec name(String.t()) :: String.t()
  def name(architecture \\ architecture()) do
    case String.split(architecture, "-") do
      [windows] -> windows
      [cpu, "apple" | _version] -> cpu <> "-darwin"
      [cpu, system] -> cpu <> "-" <> system
      [cpu, _vendor | system] -> Enum.join([cpu | system], "-")
    end
  end

  defp architecture do
    case :os.type() do
      {:win32, _} -> "windows-#{8 * :erlang.system_info(:wordsize)}"
      _ -> List.to_string(:erlang.system_info(:system_architecture))
    end
  end

  @doc "Whether a file is a native library, or another program of one platform, by its name."
  @spec native?(Path.t()) :: boolean
  def native?(path), do: Path.extname(path) in [".so", ".dll", ".dylib", ".exe"]

  @doc "The release of OTP."
  @spec otp() :: pos_integer
  def otp, do: :erlang.system_info(:otp_release) |> List.to_integer()

  @doc "The version of this library."
  @spec library() :: String.t()
  def library, do: :pipeline_plugin |> Application.spec(:vsn) |> List.to_string()
end
