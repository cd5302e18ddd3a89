defmodule Pipeline.Dashboard.Asset do
  @moduledoc false
  # The files of priv/static, read when this compiles: a page depends on no folder.

  alias Pipeline.Dashboard.Response

  @folder Path.expand("../../../priv/static", __DIR__)
  @types %{
    ".js" => "text/javascript",
    ".css" => "text/css",
    ".txt" => "text/plain",
    ".svg" => "image/svg+xml"
  }
  @files (for name <- File.ls!(@folder), into: %{} do
            path = Path.join(@folder, name)
            @external_resource path
            {name, {Map.fetch!(@types, Path.extname(name)) <> "; charset=utf-8", File.read!(path)}}
          end)

  @spec serve(String.t()) :: Response.t()
  def serve(name) do
    case @files do
      %{^name => {type, content}} -> Response.new(200, type, content)
      _none -> Response.text(404, "There is no such file.")
    end
  end
end
