from django.urls import path

from marketplace.serving import views

urlpatterns = [
    path("marketplace.git/info/refs", views.info_refs, name="served_info_refs"),
    path("marketplace.git/git-upload-pack", views.upload_pack, name="served_upload_pack"),
    path("marketplace.zip", views.marketplace_zip, name="served_zip"),
    path("marketplace.json", views.marketplace_json, name="served_json"),
]
