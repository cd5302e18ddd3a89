"""What Pipeline.Handlers.LangChain calls: things of LangChain by name, with plain values in and out."""

import importlib
import importlib.util

from langchain_core.documents import Document
from langchain_core.load import dumpd
from langchain_core.messages import BaseMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool

_KINDS = {"tool": BaseTool, "retriever": BaseRetriever, "runnable": Runnable}

# A kind of vector store, the module of its package, and what installs it.
_STORES = {
    "memory": ("numpy", "numpy"),
    "faiss": ("faiss", "langchain-community faiss-cpu"),
    "chroma": ("langchain_chroma", "langchain-chroma"),
    "pinecone": ("langchain_pinecone", "langchain-pinecone"),
    "weaviate": ("langchain_weaviate", "langchain-weaviate"),
}


class NotFound(LookupError):
    """There is nothing of this name."""


class NotInstalled(ImportError):
    """A package is missing."""


def find(kind, name):
    """A thing by its name: a module, a colon, and a name in it."""
    module, _, path = name.partition(":")
    if not path:
        raise NotFound("%r is no name of the form module:name" % name)
    try:
        found = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise NotFound("there is no %s: %s" % (name, error)) from error
    if not isinstance(found, _KINDS[kind]):
        raise TypeError("%s is no %s of LangChain, but of the type %s" % (name, kind, type(found).__name__))
    return found


def invoke(kind, name, value):
    return plain(find(kind, name).invoke(value))


def stream(kind, name, value):
    for chunk in find(kind, name).stream(value):
        yield plain(chunk)


def tools(module):
    """The tools of a module, with the JSON Schema of their arguments."""
    found = vars(importlib.import_module(module)).values()
    return [
        {"name": tool.name, "description": tool.description, "schema": plain(tool.get_input_jsonschema())}
        for tool in found
        if isinstance(tool, BaseTool)
    ]


def split(text, options):
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    return RecursiveCharacterTextSplitter(**{str(key): value for key, value in options.items()}).split_text(text)


def installed():
    """The kinds of vector stores that can be opened here."""
    return [kind for kind, (module, _) in _STORES.items() if importlib.util.find_spec(module) is not None]


def open_store(kind, embeddings, options):
    """A vector store with the embeddings of this name, such as `my_embeddings:local`."""
    if kind not in _STORES:
        raise NotFound("there is no kind of vector store %s; there are %s" % (kind, ", ".join(_STORES)))
    module, packages = _STORES[kind]
    if importlib.util.find_spec(module) is None:
        raise NotInstalled("the vector store %s is not installed: add %s to requirements.txt" % (kind, packages))
    module, _, name = embeddings.partition(":")
    embeddings = getattr(importlib.import_module(module), name)
    options = {str(key): value for key, value in options.items()}
    return _OPEN[kind](embeddings, options)


def _memory(embeddings, options):
    from langchain_core.vectorstores import InMemoryVectorStore

    return InMemoryVectorStore(embeddings, **options)


def _faiss(embeddings, options):
    import faiss
    from langchain_community.docstore.in_memory import InMemoryDocstore
    from langchain_community.vectorstores import FAISS

    index = faiss.IndexFlatL2(len(embeddings.embed_query("")))
    return FAISS(embeddings, index, InMemoryDocstore(), {}, **options)


def _chroma(embeddings, options):
    from langchain_chroma import Chroma

    return Chroma(embedding_function=embeddings, **options)


def _pinecone(embeddings, options):
    from langchain_pinecone import PineconeVectorStore

    return PineconeVectorStore(embedding=embeddings, **options)


def _weaviate(embeddings, options):
    from langchain_weaviate import WeaviateVectorStore

    return WeaviateVectorStore(embedding=embeddings, **options)


_OPEN = {"memory": _memory, "faiss": _faiss, "chroma": _chroma, "pinecone": _pinecone, "weaviate": _weaviate}


def add(store, texts):
    """Adds texts, or documents as `plain` makes them. Returns their ids."""
    documents = [
        Document(page_content=text["page_content"], metadata=dict(text.get("metadata") or {}))
        if isinstance(text, dict)
        else Document(page_content=text)
        for text in texts
    ]
    return store.add_documents(documents)


def search(store, query, count):
    return plain(store.similarity_search(query, k=count))


def plain(value):
    """As numbers, text, lists and dicts."""
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    if isinstance(value, Document):
        return {"id": value.id, "page_content": value.page_content, "metadata": plain(value.metadata)}
    if isinstance(value, BaseMessage):
        message = {"type": value.type, "content": plain(value.content)}
        calls = getattr(value, "tool_calls", None)
        if calls:
            message["tool_calls"] = plain(calls)
        return message
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if hasattr(value, "model_dump"):
        return plain(value.model_dump(mode="json"))
    if hasattr(value, "to_messages"):
        return plain(value.to_messages())
    return dumpd(value)
