a = '{{$MM_NO_SUCH_VARIABLE:}}'
