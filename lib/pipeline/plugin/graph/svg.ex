defmodule Pipeline.Plugin.Graph.Svg do
  @moduledoc false
  # Renders DOT as SVG with Graphviz.

  alias Pipeline.Plugin.Graph.RenderError

  @spec render(String.t(), String.t()) :: {:ok, String.t()} | {:error, RenderError.t()}
  def render(dot, program) do
    case System.find_executable(program) do
      nil -> {:error, %RenderError{reason: {:graphviz_missing, program}}}
      executable -> run(executable, dot)
    end
  end

  # Uses files, since a port cannot close the standard input of a program.
  defp run(executable, dot) do
    name = "pipeline_graph_#{System.pid()}_#{System.unique_integer([:positive])}"
    source = Path.join(System.tmp_dir!(), name <> ".dot")
    drawing = Path.join(System.tmp_dir!(), name <> ".svg")
    File.write!(source, dot)

    try do
      case System.cmd(executable, ["-Tsvg", "-o", drawing, source], stderr_to_stdout: true) do
        {_, 0} -> {:ok, File.read!(drawing)}
        {output, status} -> {:error, %RenderError{reason: {:graphviz_failed, status, output}}}
      end
    after
      File.rm(source)
      File.rm(drawing)
    end
  end
end
