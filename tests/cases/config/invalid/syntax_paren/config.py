a = dict(x=1,
         y=[1, 2)
