defmodule Pipeline.Python.Interpreter do
  @moduledoc false
  # Which Python a worker runs.

  alias Pipeline.Python.Environment

  @doc """
  The interpreter that `python_path:` means: a program, its name, or the folder of a virtual environment. Without one, that
  of the environment that `mix pipeline.python.setup` made, otherwise `python3`.
  """
  @spec find(String.t() | nil) :: {:ok, Path.t()} | {:error, sentence :: String.t()}
  def find(nil) do
    case Environment.interpreter() || System.find_executable("python3") do
      nil ->
        {:error,
         "there is no python3: install Python 3.9 or newer, run mix pipeline.python.setup, or set python_path:"}

      path ->
        {:ok, path}
    end
  end

  def find(path) do
    cond do
      not String.contains?(path, "/") -> named(path)
      File.dir?(path) -> in_folder(Path.expand(path))
      File.regular?(path) -> {:ok, Path.expand(path)}
      true -> {:error, "python_path: #{path} does not exist; give a Python program or a virtual environment"}
    end
  end

  defp named(name) do
    case System.find_executable(name) do
      nil -> {:error, "python_path: there is no program #{name} in PATH"}
      path -> {:ok, path}
    end
  end

  defp in_folder(folder) do
    path = Path.join(folder, "bin/python")

    if File.exists?(path),
      do: {:ok, path},
      else: {:error, "python_path: #{folder} is no virtual environment: it has no bin/python"}
  end
end
