defmodule Pipeline.Dashboard.Request do
  @moduledoc """
  A request to the dashboard, as an adapter of a server makes it.

    * `:method` - in capitals, such as `"GET"`
    * `:path` - without the query and without the prefix that the dashboard is mounted under
    * `:query` and `:form` - decoded, by name; see `fields/1` and `form/2`
    * `:upload` - the bytes of a file of the form, `nil` if there is none
    * `:headers` - by name in small letters
    * `:peer` - the address of the other side as text
  """

  @type t :: %__MODULE__{
          method: String.t(),
          path: String.t(),
          query: %{String.t() => String.t()},
          form: %{String.t() => String.t()},
          upload: binary | nil,
          headers: %{String.t() => String.t()},
          peer: String.t()
        }

  defstruct method: "GET", path: "/", query: %{}, form: %{}, upload: nil, headers: %{}, peer: ""

  @doc """
  The fields of a query or of a form. What is not encoded properly has none.

      iex> Pipeline.Dashboard.Request.fields("point=greet&by=a%20b")
      %{"by" => "a b", "point" => "greet"}
      iex> Pipeline.Dashboard.Request.fields("%ff=%")
      %{}
  """
  @spec fields(String.t()) :: %{String.t() => String.t()}
  def fields(text) do
    fields = URI.decode_query(text)
    if Enum.all?(fields, fn {name, value} -> String.valid?(name <> value) end), do: fields, else: %{}
  rescue
    ArgumentError -> %{}
  end

  @doc """
  The fields and the file of a form's body, by the header `content-type`. There is one file at most.

      iex> Pipeline.Dashboard.Request.form("application/x-www-form-urlencoded", "action=verify")
      {%{"action" => "verify"}, nil}
      iex> body = "--x\\r\\nContent-Disposition: form-data; name=\\"file\\"; filename=\\"a\\"\\r\\n\\r\\nbytes\\r\\n--x--\\r\\n"
      iex> Pipeline.Dashboard.Request.form("multipart/form-data; boundary=x", body)
      {%{}, "bytes"}
  """
  @spec form(String.t(), binary) :: {%{String.t() => String.t()}, upload :: binary | nil}
  def form("multipart/form-data" <> parameters, body) do
    case Regex.run(~r/;\s*boundary="?([^";\s]{1,70})"?/, parameters) do
      [_, boundary] -> parts(:binary.split("\r\n" <> body, "\r\n--" <> boundary, [:global]))
      nil -> {%{}, nil}
    end
  end

  def form(_urlencoded, body), do: {fields(body), nil}

  # Before the first boundary and behind the last stands nothing of the form.
  defp parts([_before | parts]) do
    for "\r\n" <> part <- parts,
        [head, content] <- [:binary.split(part, "\r\n\r\n")],
        [_, name] <- [Regex.run(~r/;\s*name="([^"]*)"/i, head)],
        String.valid?(name),
        reduce: {%{}, nil} do
      {fields, upload} ->
        cond do
          head =~ ~r/;\s*filename="/i -> {fields, content}
          String.valid?(content) -> {Map.put(fields, name, content), upload}
          true -> {fields, upload}
        end
    end
  end
end
