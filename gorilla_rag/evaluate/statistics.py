"""x"""
def sign_test(a:int,b:int)->float:
    return 1.0
