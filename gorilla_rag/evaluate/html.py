def page(data, pictures):
    return ""


def body(data, pictures):
    return ""
